use std::time::Duration;
use serf_sim::*;
use serf_core::*;
fn main() {
  let S = |s| Duration::from_secs(s);
  let n = 100;
        let mut w = World::builder(3).nodes(n).build();
        w.join_all_through(0);
        w.run_until_converged(S(120)).unwrap();
        w.cut(Cut::between(0..n/2, n/2..n));
        let split = w.run_until_converged(S(200));
        w.run_for(S(60));
        w.heal_all();
        w.log_events();
        let t0 = w.now();
        for _ in 0..60 {
            let before = w.events().len();
            let u = w.total_usage();
            if let Ok(d) = w.run_until_converged(S(1)) { println!("converged +{d:?}"); break; }
            let v = w.views();
            let miss: usize = v.wrong.iter().map(|x| x.missing.len()).sum();
            let mut k = std::collections::BTreeMap::new();
            for e in &w.events()[before..] { *k.entry(match &e.event { Event::Member(m) => format!("{}", m.kind), o => format!("{o:?}").split([' ','{']).next().unwrap().to_string() }).or_insert(0) += 1; }
            let u2 = w.total_usage();
            println!("{:?} wrong {} missing {miss} {k:?} dgrams {} streams {} queued {}", w.now().since(t0), v.wrong.len(), u2.datagrams_sent-u.datagrams_sent, u2.streams_opened-u.streams_opened, w.running().map(|i| w.node(i).unwrap().queued_broadcasts()).sum::<usize>());
        }
}

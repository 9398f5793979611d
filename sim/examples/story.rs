use std::time::Duration;
use serf_sim::World;
fn main() {
    for n in [10, 30, 100, 1000] {
        let mut took = vec![];
        for seed in 0..(if n > 100 {5} else {40}) {
    let mut world = World::builder(seed).nodes(n).build();
    world.join_all_through(0);
    took.push(world.run_until_converged(Duration::from_secs(120)).unwrap().as_millis());
        }
        took.sort();
        println!("{n} {took:?}");
    }
}

//! The commands as a shell sees them: output, files and exit codes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn serf_sim(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_serf-sim"))
        .args(args)
        .current_dir(directory)
        .output()
        .expect("the program was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

/// A scenario that holds, or does not.
fn scenario(detected_within: &str) -> String {
    format!(
        "lasts = \"60s\"\ncluster.nodes = 6\n[[fault]]\nat = \"1s\"\ncrash.nodes = [2, 3]\n\
         [[fault]]\nat = \"2s\"\nfor = \"1s\"\npause.nodes = [4]\n\
         [expect]\ndetected_within = \"{detected_within}\"\n"
    )
}

fn write(directory: &Path, name: &str, content: &str) {
    std::fs::write(directory.join(name), content).expect("the directory is writable");
}

#[test]
fn exit_codes_tell_held_failed_and_bad_input() {
    let place = directory();
    let at = place.path();
    write(at, "good.toml", &scenario("30s"));
    write(at, "bad.toml", &scenario("1ms"));
    let run = |args: &[&str]| serf_sim(at, args).status.code();
    assert_eq!(run(&["run", "good.toml"]), Some(0));
    assert_eq!(run(&["run", "bad.toml"]), Some(1));
    assert_eq!(run(&["run", "missing.toml"]), Some(2));
    assert_eq!(run(&["explore", "good.toml", "--seeds", "3..3"]), Some(2));
    let wrong = serf_sim(at, &["run", "good.toml", "--set", "cluster.nodes=0"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = text(&wrong.stderr);
    assert!(
        said.contains("cluster.nodes is 0, accepted is 1 to"),
        "{said}"
    );
}

#[test]
fn bad_values_are_named_with_what_is_accepted() {
    let place = directory();
    write(place.path(), "good.toml", &scenario("30s"));
    for (args, wanted) in [
        ("run good.toml --seed -1", "a whole number from 0 to"),
        ("run good.toml --set network.loss", "KEY=VALUE, such as"),
        (
            "run good.toml --set cluster.nodes=x",
            "expected a whole number",
        ),
        ("run --nodes 1", "2 to 100000 where the seed draws"),
        (
            "explore good.toml --seeds 0..2 --jobs 0",
            "a whole number from 1 up",
        ),
        (
            "explore good.toml --seeds 0..2 --budget soon",
            "such as 90s or 10m",
        ),
        (
            "bench detection --seeds 0",
            "accepted is a whole number from 1 up",
        ),
        ("replay good.toml --until soon", "such as 90s or 10m"),
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        let output = serf_sim(place.path(), &args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
}

#[test]
fn worlds_are_drawn_for_as_many_nodes_as_are_wished() {
    let place = directory();
    let args = ["run", "--seed", "3", "--nodes", "5", "--json"];
    let output = serf_sim(place.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"nodes\": 5,"));
}

#[test]
fn a_reader_that_has_gone_changes_nothing_about_the_result() {
    use std::process::Stdio;

    let place = directory();
    write(place.path(), "bad.toml", &scenario("1ms"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_serf-sim"))
        .args(["explore", "bad.toml", "--seeds", "0..2"])
        .args(["--junit", "out.xml"])
        .current_dir(place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(place.path().join("out.xml").exists());
}

#[test]
fn a_failure_prints_the_command_that_repeats_it() {
    let place = directory();
    write(place.path(), "bad.toml", &scenario("1ms"));
    let args = ["run", "bad.toml", "--seed", "9", "--nodes", "7"];
    let output = serf_sim(place.path(), &args);
    let said = text(&output.stderr);
    let repeat = "repeat it: serf-sim run bad.toml --nodes 7 --seed 9";
    assert!(said.contains(repeat), "{said}");
}

#[test]
fn shards_merge_into_what_one_sweep_finds_whatever_the_number_of_jobs() {
    let place = directory();
    let at = place.path();
    write(at, "bad.toml", &scenario("7s"));
    let sweep = |file: &str, more: &[&str]| {
        let args = ["explore", "bad.toml", "--seeds", "0..12", "--json"];
        let output = serf_sim(at, &[&args[..], more].concat());
        write(at, file, &text(&output.stdout));
    };
    sweep("all.json", &["--jobs", "1"]);
    sweep("even.json", &["--shard", "0/2", "--jobs", "2"]);
    sweep("odd.json", &["--shard", "1/2"]);
    let merge = |files: &[&str]| serf_sim(at, &[&["merge", "--json"], files].concat());
    let merged = merge(&["odd.json", "even.json"]);
    let all = merge(&["all.json"]);
    assert_eq!(text(&merged.stdout), text(&all.stdout));
    assert_eq!(merged.status.code(), Some(1), "some seeds take longer");
    assert!(text(&all.stdout).contains("\"wanted\": 12"));
    let twice = merge(&["odd.json", "all.json"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(text(&twice.stderr).contains("in the files twice"));
    write(at, "bad.toml", &scenario("30s"));
    sweep("even.json", &["--shard", "0/3"]);
    sweep("odd.json", &["--shard", "1/3"]);
    let lacking = merge(&["odd.json", "even.json"]);
    assert_eq!(lacking.status.code(), Some(1), "nothing failed");
    let said = text(&lacking.stderr);
    let wanted = "part 2/3 of seeds 0..12 is in none of the files";
    assert!(said.contains(wanted), "{said}");
    sweep("more.json", &["--shard", "2/3"]);
    let complete = merge(&["odd.json", "more.json", "even.json"]);
    assert_eq!(
        complete.status.code(),
        Some(0),
        "{}",
        text(&complete.stderr)
    );

    let junit = ["--junit", "out.xml"];
    serf_sim(at, &[&["merge", "all.json"], &junit[..]].concat());
    let xml = std::fs::read_to_string(at.join("out.xml")).expect("it was written");
    assert!(xml.contains("tests=\"12\""), "{xml}");
    assert_eq!(
        xml.matches("<failure").count(),
        xml.matches("</failure>").count()
    );
}

/// More worlds than can be drawn: the signal comes before the first of them runs.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_while_worlds_are_drawn_ends_with_a_result() {
    let mut sweep = Command::new(env!("CARGO_BIN_EXE_serf-sim"))
        .args(["explore", "--seeds", "0..1000000000", "--shard", "1/4"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let pid = sweep.id();
    while !catches_interrupts(pid) {
        assert!(sweep.try_wait().expect("it can be waited for").is_none());
        std::thread::yield_now();
    }
    let killed = Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .status();
    assert!(killed.expect("there is such a program").success());
    let output = sweep.wait_with_output().expect("it can be waited for");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(
        said.starts_with("0 of 250000000 seeds run, 0 failed"),
        "{said}"
    );
    let said = text(&output.stderr);
    assert!(said.contains("stopped early: 0 of 250000000"), "{said}");
}

/// Whether a process has a handler for them.
#[cfg(target_os = "linux")]
fn catches_interrupts(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The signal of number 2.
    caught.is_some_and(|mask| mask & 0b10 != 0)
}

#[test]
fn a_failing_seed_shrinks_to_a_file_that_fails_on_its_own() {
    let place = directory();
    let at = place.path();
    write(at, "bad.toml", &scenario("1ms"));
    let shrunk = serf_sim(at, &["shrink", "bad.toml", "--seed", "4", "--tries", "200"]);
    assert_eq!(shrunk.status.code(), Some(1), "{}", text(&shrunk.stderr));
    let small = std::fs::read_to_string(at.join("shrunk-4.toml")).expect("it was written");
    assert!(!small.contains("pause"), "{small}");
    assert!(small.contains("crash"), "the same failure: {small}");
    let again = serf_sim(at, &["run", "shrunk-4.toml"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn all_built_in_scenarios_are_listed_and_printed() {
    let place = directory();
    let list = text(&serf_sim(place.path(), &["list"]).stdout);
    assert!(list.lines().count() > 20, "{list}");
    let one = serf_sim(place.path(), &["list", "s01-alone"]);
    assert!(text(&one.stdout).contains("[[fault]]"));
    assert_eq!(
        serf_sim(place.path(), &["list", "s99"]).status.code(),
        Some(2)
    );
}

#[test]
fn two_configurations_stand_side_by_side() {
    let place = directory();
    write(place.path(), "a.toml", &scenario("30s"));
    let args = ["compare", "a.toml", "a.toml", "--seeds", "0..2"];
    let more = ["--set-b", "config.probe_interval=\"2s\""];
    let output = serf_sim(place.path(), &[&args[..], &more[..]].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let line = said
        .lines()
        .find(|line| line.starts_with("crash noticed first"));
    assert!(line.is_some_and(|line| line.ends_with('%')), "{said}");
}

#[test]
fn benchmarks_print_percentiles() {
    let place = directory();
    for what in ["convergence", "detection", "partition"] {
        let args = [
            "bench", what, "--nodes", "5,8", "--seeds", "2", "--plot", "p.html",
        ];
        let output = serf_sim(place.path(), &args);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("99 %") && !said.contains(" - "), "{said}");
        let page = std::fs::read_to_string(place.path().join("p.html")).expect("it was written");
        assert!(page.contains("8 nodes") && page.contains("class=\"line a\""));
    }
}

#[test]
fn the_lifeguard_experiment_prints_its_tables_and_refuses_what_makes_no_sense() {
    let place = directory();
    let bench = |more: &[&str]| {
        let args = ["bench", "lifeguard", "--seeds", "1", "--nodes", "8"];
        serf_sim(place.path(), &[&args, more].concat())
    };
    let small = ["--concurrent", "2", "--stops", "9s", "--runs", "1s"];
    let said = bench(&small);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let table = text(&said.stdout);
    assert!(
        table.contains("100.00 %") && table.contains("99.9 %"),
        "{table}"
    );
    let said = bench(&[&small[..], &["--json", "--plot", "p.html"]].concat());
    let rows: serde_json::Value = serde_json::from_slice(&said.stdout).expect("it is JSON");
    assert_eq!(rows[4]["variant"], "Lifeguard");
    assert!(rows[0]["messages"].as_u64() > Some(1_000), "{rows}");
    let page = std::fs::read_to_string(place.path().join("p.html")).expect("it was written");
    assert!(page.contains("LHA-Probe"));
    for wrong in [
        ["--concurrent", "8"],
        ["--stops", "0s"],
        ["--set", "network.loss=0.1"],
        ["--nodes", "9,10"],
    ] {
        let said = bench(&wrong);
        assert_eq!(said.status.code(), Some(2), "{wrong:?}");
        assert!(text(&said.stderr).starts_with("error: "), "{wrong:?}");
    }
}

#[test]
fn a_report_stands_alone_and_has_the_numbers_of_the_terminal() {
    let place = directory();
    let at = place.path();
    write(
        at,
        "cut.toml",
        &format!(
            "{}\n[[fault]]\nat = \"20s\"\nfor = \"15s\"\npartition.side = [1]\n[[work]]\nevery = \"5s\"\nevent.payload = 8\n",
            "lasts = \"60s\"\ncluster.nodes = 6\n[[fault]]\nat = \"1s\"\ncrash.nodes = [2, 3]"
        ),
    );
    let output = serf_sim(at, &["run", "cut.toml", "--report", "out.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(at.join("out.html")).expect("it was written");
    let summary = text(&output.stdout);
    let bytes = summary
        .lines()
        .find_map(|line| line.strip_prefix("bytes per node and second"))
        .expect("the terminal says it");
    assert!(page.contains(&format!("<dd>{}<", bytes.trim())), "{bytes}");
    for title in [
        "Agreement",
        "How events spread",
        "How crashes were noticed",
        "Who is taken for",
    ] {
        assert!(page.contains(title), "no {title:?}");
    }
    assert!(page.contains("class=\"shade\"") && page.contains("class=\"rightly\""));
    for outside in ["http:", "https:", " src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside:?} is not of this page");
    }
}

#[test]
fn a_trace_has_a_line_for_each_change_with_its_cause() {
    let place = directory();
    let at = place.path();
    write(at, "good.toml", &scenario("30s"));
    let output = serf_sim(at, &["run", "good.toml", "--trace", "out.txt"]);
    assert_eq!(output.status.code(), Some(0));
    let trace = std::fs::read_to_string(at.join("out.txt")).expect("it was written");
    assert!(trace.contains("* Crash"), "{trace}");
    let failed = trace.lines().find(|line| line.contains("  failed  "));
    assert!(failed.is_some_and(|line| line.contains("node-2 ") || line.contains("node-3 ")));
    let nowhere = serf_sim(at, &["run", "good.toml", "--trace", "no/such/place"]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn a_check_can_be_switched_off_by_its_name() {
    let place = directory();
    let at = place.path();
    write(at, "good.toml", &scenario("30s"));
    let off = "expect.unchecked=[\"traffic\"]";
    let output = serf_sim(at, &["run", "good.toml", "--set", off]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!text(&output.stdout).contains("traffic stays within"));
    let wrong = serf_sim(
        at,
        &["run", "good.toml", "--set", "expect.unchecked=[\"luck\"]"],
    );
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("false-failures"));
}

//! Writes the vectors to `corpus/TARGET/`, where cargo-fuzz looks for bytes to begin with.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let vectors = serf_fuzz::vectors();
    for (target, _) in serf_fuzz::TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target);
        fs::create_dir_all(&dir)?;
        for (n, vector) in vectors.iter().enumerate() {
            fs::write(dir.join(format!("vector-{n:03}")), vector)?;
        }
        println!("{}: {} files", dir.display(), vectors.len());
    }
    Ok(())
}

//! Writes the generated files: JSON Schemas and the event reference.

use std::path::Path;

use shoptide_schemas::reference;

fn main() -> std::io::Result<()> {
    // Read when it runs: two clones that share a target folder must not write into each other.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").map_err(std::io::Error::other)?).join("..");
    for (path, content) in reference::files() {
        std::fs::write(root.join(path), content)?;
        println!("{path}");
    }
    Ok(())
}

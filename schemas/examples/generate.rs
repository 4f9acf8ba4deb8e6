//! Writes the generated files: JSON Schemas and the event reference.

use std::path::Path;

use shoptide_schemas::reference;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, content) in reference::files() {
        std::fs::write(root.join(path), content)?;
        println!("{path}");
    }
    Ok(())
}

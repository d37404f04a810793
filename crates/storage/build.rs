//! Embeds the migrations: a list of (name, text), in time order.

use std::{env, fmt::Write as _, fs, path::Path};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut files = Vec::new();
    for dialect in ["common", "postgres"] {
        let folder = root.join(dialect);
        println!("cargo:rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                println!("cargo:rerun-if-changed={}", path.display());
                let name = entry.file_name().to_string_lossy().into_owned();
                files.push((name, dialect, path));
            }
        }
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (name, dialect, path) in files {
        let path = path.canonicalize().expect("a file that was just listed");
        let _ = writeln!(
            code,
            "    (\"{dialect}/{name}\", include_str!({:?})),",
            path.display().to_string()
        );
    }
    code.push(']');
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo tells build scripts where to write by this variable"
    )]
    let out = env::var("OUT_DIR").expect("set by cargo");
    fs::write(Path::new(&out).join("migrations.rs"), code).expect("cargo's own directory");
}

//! Links the unwinder into the binary. It is in libgcc_s otherwise, a shared library that each CGI process would load:
//! 0.15 ms of the 1 ms that one takes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    // Where it is built for another machine, another compiler knows where its libraries are.
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    let is_gnu = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is_native
        && is_gnu
        && let (Some(unwinder), Some(rest)) = (library("libgcc_eh.a"), library("libgcc.a"))
    {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
        let script = format!("INPUT({} {})\n", unwinder.display(), rest.display());
        // A linker script by the name that rustc asks for, found before the shared library.
        fs::write(out.join("libgcc_s.so"), script).expect("the folder is there");
        println!("cargo::rustc-link-arg-bins=-L{}", out.display());
    }
}

/// Where the C compiler has this library, where it has it.
fn library(name: &str) -> Option<PathBuf> {
    let output = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    Path::new(&path).is_absolute().then_some(path).filter(|path| path.is_file())
}

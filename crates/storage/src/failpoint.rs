//! Named places at which a test may end the process, as a crash would.

/// Ends the process here if the environment's `MICRO_FAILPOINT` is this name. Does nothing unless the feature
/// `failpoints` is on. The last words on stderr say so: an abort may have other reasons.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    use std::sync::LazyLock;
    static WANTED: LazyLock<Option<String>> = LazyLock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's switch, not configuration: off in every release"
        )]
        std::env::var("MICRO_FAILPOINT").ok()
    });
    if WANTED.as_deref() == Some(name) {
        eprintln!("failpoint {name}");
        std::process::abort();
    }
}

/// Does nothing: the feature `failpoints` is off.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn failpoint(_name: &str) {}

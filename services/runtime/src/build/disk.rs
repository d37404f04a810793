//! How much of the disk builds may take: it is everybody's, the database's too.

use std::{ffi::CString, fs, io, mem::MaybeUninit, os::unix::ffi::OsStrExt, path::Path, time::Duration};

/// Left for everybody else whatever a build does.
const RESERVE: u64 = 512 << 20;
/// What one command of a build may write.
const SHARE: u64 = 8 << 30;
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What builds of one service may leave for the next, in bytes and in files.
const CACHE_BYTES: u64 = 2 << 30;
const CACHE_FILES: u64 = 200_000;

/// Waits until a build on the disk of `folder` has taken too much of it; in what words it is ended then.
pub(super) async fn taken(folder: &Path) -> String {
    taken_beyond(folder, RESERVE, SHARE).await
}

async fn taken_beyond(folder: &Path, reserve: u64, share: u64) -> String {
    let Ok(at_first) = free(folder) else {
        return std::future::pending().await;
    };
    loop {
        // Where it cannot be asked now it is asked again.
        let left = free(folder).unwrap_or(at_first);
        if left < reserve {
            return "limit build.disk reached: the disk is nearly full".to_owned();
        }
        let taken = at_first.saturating_sub(left);
        if taken > share {
            return format!("limit build.disk reached: {taken} of {share}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn free(folder: &Path) -> io::Result<u64> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    let mut told = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends in NUL, and the answer has room for one.
    if unsafe { libc::statvfs(path.as_ptr(), told.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed is valid, and the call has filled it.
    let told = unsafe { told.assume_init() };
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Removes a cache that has grown beyond what it may: the next build starts cold.
pub(super) fn trim(cache: &Path) -> io::Result<bool> {
    let (mut bytes, mut files) = (CACHE_BYTES, CACHE_FILES);
    if fits(cache, &mut bytes, &mut files)? {
        return Ok(false);
    }
    fs::remove_dir_all(cache).map(|()| true)
}

/// Takes what is below `folder` from what is left; whether it is enough. Looks no further once it is not.
fn fits(folder: &Path, bytes: &mut u64, files: &mut u64) -> io::Result<bool> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            // Of the link itself, where it is one.
            let meta = entry.metadata()?;
            let (Some(bytes_left), Some(files_left)) = (bytes.checked_sub(meta.len()), files.checked_sub(1)) else {
                return Ok(false);
            };
            (*bytes, *files) = (bytes_left, files_left);
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_build_is_ended_before_the_disk_is_full() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(free(folder.path()).expect("a disk") > 0);
        assert_eq!(taken_beyond(folder.path(), 0, u64::MAX).now_or_never(), None);
        let words = taken_beyond(folder.path(), u64::MAX, u64::MAX).now_or_never();
        assert_eq!(
            words.as_deref(),
            Some("limit build.disk reached: the disk is nearly full")
        );
    }

    #[test]
    fn a_cache_is_measured_without_leaving_it_and_no_further_than_needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = folder.path().join("cache");
        fs::create_dir_all(cache.join("deep/er")).expect("folders");
        fs::write(folder.path().join("outside"), vec![0; 100_000]).expect("a file");
        fs::write(cache.join("deep/er/file"), vec![0; 1_000]).expect("a file");
        std::os::unix::fs::symlink(folder.path(), cache.join("out")).expect("a link");
        let fits = |mut bytes, mut files| fits(&cache, &mut bytes, &mut files).expect("measured");
        assert!(fits(50_000, 4));
        assert!(!fits(999, 4), "too many bytes");
        assert!(!fits(50_000, 3), "too many files");
        assert!(!trim(&cache).expect("measured") && cache.is_dir());
        assert!(!trim(&folder.path().join("none")).expect("nothing there"));
    }
}

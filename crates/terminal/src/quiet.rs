//! A terminal that shows nothing of what is typed, from before the question until after the answer: whoever types
//! at once is served like everybody else.

use std::{io, mem::MaybeUninit};

/// While it lives, standard input's terminal hands over keys as they are pressed and shows none, and an interrupt does
/// not end the process before the terminal is as it was.
pub struct Quiet {
    terminal: libc::termios,
    interrupt: libc::sighandler_t,
}

impl Quiet {
    /// Makes it so.
    pub fn on() -> io::Result<Self> {
        let mut terminal = MaybeUninit::uninit();
        // SAFETY: the pointer is to a termios that the call fills in when it succeeds.
        if unsafe { libc::tcgetattr(libc::STDIN_FILENO, terminal.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded.
        let terminal = unsafe { terminal.assume_init() };
        let mut silent = terminal;
        silent.c_lflag &= !(libc::ECHO | libc::ECHONL | libc::ICANON | libc::ISIG);
        silent.c_cc[libc::VMIN] = 1;
        silent.c_cc[libc::VTIME] = 0;
        // SAFETY: plain calls with valid arguments; a signal that is ignored runs no handler.
        let interrupt = unsafe {
            if libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &silent) != 0 {
                return Err(io::Error::last_os_error());
            }
            libc::signal(libc::SIGINT, libc::SIG_IGN)
        };
        Ok(Self { terminal, interrupt })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: puts back what was there; where that fails there is nobody to tell.
        unsafe {
            libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &self.terminal);
            libc::signal(libc::SIGINT, self.interrupt);
        }
    }
}

//! From an e-mail address to a namespace: mailed codes, the subscribe page, payment, and the saga that makes the
//! namespace. It speaks Micro's own sign-up messages of every epoch (reference/micro-wire §5) and ours.

mod app;
mod attempt;
mod config;
mod door;
mod error;
mod jobs;
mod password;
mod secrets;
mod state;
mod store;

pub use app::{Signup, SignupSaga};
pub use config::{Ports, SignupConfig, SignupLimits};
pub use error::SignupError;
pub use secrets::Keys;
pub use state::State;

//! Config through its generated trait, on memory storage but for `back_ends`.

mod back_ends;
mod isolation;
mod limits;
mod model;
mod secrets;
mod values;
mod watching;
mod world;

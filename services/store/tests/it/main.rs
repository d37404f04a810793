//! The store through its generated traits, on memory storage but for `back_ends`.

mod back_ends;
mod big_blob;
mod blobs;
mod isolation;
mod quotas;
mod records;
mod searching;
mod snapshots;
mod uploads;
mod world;

//! The registry on memory storage, through its generated trait and the mesh's ports.

mod leases;
mod limits;
mod mesh;
mod model;
mod network;
mod questions;
mod replicas;
mod watching;
mod world;

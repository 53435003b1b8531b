//! The dashboard: who may see it, what its pages show, and what a browser makes of it.

mod access;
mod browser;
mod cache_resources;
mod hostile;
mod invalidations;
mod pages;
mod service;
mod site;

//! gw from outside: one binary of tests, each with a gateway of its own.

mod adversity;
mod bodies;
mod builder;
mod check;
mod cli;
mod control;
mod drain;
mod golden;
mod guide;
mod handover;
mod health;
mod hooks;
mod life;
mod matrix;
mod messages;
mod pki;
mod process;
mod proxying;
mod reload;
mod resolution;
mod routing;
mod secure;
mod services;
mod sessions;
mod streaming;
mod upstream_tls;

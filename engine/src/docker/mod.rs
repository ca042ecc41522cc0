//! The adapter to a real Docker engine and a real registry.
//!
//! Here: `DockerWorld`, the `World` of a real deploy (`world`). `connect` finds the engine and `observe` looks at the stack;
//! `images`, `assemble` and `bases` see to images through `registry` (questions) and `work` (builds, pushes and pulls; `context` and
//! `session` bring a build its files); `compose`
//! provisions; `tags` asks registries without an engine, and `deletion` has them delete images. Types of the Docker client stop in this room, and every failure becomes a `Fault` in `fault`.
//! `receiver` is where events are sent to. `replies` reads what an engine said from its bytes alone.
//! Only `build_image`, `tag_image`, `publish`, `provision` and `delete_images` change anything. Not here: rules of a deploy (`machine`, `image`, `compat`).

mod assemble;
mod bases;
mod compose;
mod connect;
mod context;
mod credentials;
mod deletion;
mod endpoint;
mod fault;
mod images;
mod limits;
mod names;
mod observe;
mod platform;
mod receiver;
mod redact;
mod registry;
pub mod replies;
mod session;
mod tags;
mod trace;
mod transcript;
mod wire;
mod work;
mod world;

pub use assemble::BuilderChoice;
pub use connect::{Engine, connect};
pub use deletion::{ImageDeletion, delete_images};
pub use limits::{Limits, LimitsError};
pub use observe::observe;
pub use receiver::{EventReceiver, ReceiverError};
pub use tags::tags_now;
pub use world::{DockerWorld, WorldOptions, check_provision, provision};

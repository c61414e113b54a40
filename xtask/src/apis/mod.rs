//! From the names in API definitions to the crates that have them, without compiling anything.
//!
//! ```text
//! definitions.rs       a folder of definitions: the names in it, and what is wrong in it
//! classic.rs  oas.rs   where names are in Tyk's classic form; in an OpenAPI document
//! offers.rs            the plugins of a crate, read in its sources
//! attribute.rs         what stands in `#[gw_plugin(…)]`, as the macro reads it
//! candidate.rs         crates on this disk
//! place.rs             which crate a name chooses, by the rules of the running gateway
//! ```
//!
//! What is read here is what is written: an attribute that a macro or `cfg_attr` writes is not seen, and what `cfg`
//! leaves out of a build is (but for tests). Whatever is not so in the end is found when the binary is proven.

mod attribute;
mod candidate;
mod classic;
mod definitions;
mod oas;
mod offers;
mod place;

pub use candidate::{Candidate, CandidateError};
pub use definitions::{ApisError, FolderError, Named, Remark, Survey, names, survey};
pub use offers::{Offer, OffersError, SourceFault, offers};
pub use place::{Placing, Reason, Unplaced, UnplacedName, check, choose, place};

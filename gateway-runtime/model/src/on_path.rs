//! [`OnPath`]: what the entries of `extended_paths` have in common.

use crate::headers::HeaderTransform;
use crate::rewrite::{MethodTransform, UrlRewrite};
use crate::version::{
    BodyTemplate, CircuitBreaker, EndpointRate, GoPlugin, HardTimeout, SizeLimit, TrackedPath, ValidateJson,
};

/// An entry of `extended_paths`: it is for one path, and mostly for one method.
pub trait OnPath {
    /// Whether it is left out.
    fn is_disabled(&self) -> bool;
    /// The path below the listen path, or a pattern for it.
    fn path(&self) -> &str;
    /// The method; `None` is any. What is for the empty method is for none.
    fn method(&self) -> Option<&str>;
}

/// For entries that have the fields `disabled`, `path` and `method`.
macro_rules! on_path {
    ($($entry:ty),+ $(,)?) => {
        $(impl OnPath for $entry {
            fn is_disabled(&self) -> bool {
                self.disabled
            }

            fn path(&self) -> &str {
                &self.path
            }

            fn method(&self) -> Option<&str> {
                Some(&self.method)
            }
        })+
    };
}

on_path!(
    BodyTemplate,
    CircuitBreaker,
    EndpointRate,
    GoPlugin,
    HardTimeout,
    HeaderTransform,
    MethodTransform,
    SizeLimit,
    TrackedPath,
    UrlRewrite,
    ValidateJson,
);

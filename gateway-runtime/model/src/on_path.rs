//! [`OnPath`]: what the entries of `extended_paths` have in common.

use crate::cache::CacheEntry;
use crate::headers::HeaderTransform;
use crate::lists::{InternalPath, ListedPath, MockResponse};
use crate::rewrite::{MethodTransform, UrlRewrite};
use crate::version::{
    BodyTemplate, CircuitBreaker, EndpointRate, GoPlugin, HardTimeout, SizeLimit, TrackedPath, ValidateJson,
    ValidateRequest,
};

/// An entry of `extended_paths`: it is for one path, and mostly for one method.
pub trait OnPath {
    /// Whether it is left out.
    fn is_disabled(&self) -> bool;
    /// The path below the listen path, or a pattern for it.
    fn path(&self) -> &str;
    /// The method; `None` is any. What is for the empty method is for none.
    fn method(&self) -> Option<&str>;
    /// Whether the path matches without regard to case, whatever is said of all paths.
    fn ignores_case(&self) -> bool {
        false
    }
}

/// A path alone, for any method.
impl OnPath for String {
    fn is_disabled(&self) -> bool {
        false
    }

    fn path(&self) -> &str {
        self
    }

    fn method(&self) -> Option<&str> {
        None
    }
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
    CacheEntry,
    CircuitBreaker,
    EndpointRate,
    GoPlugin,
    HardTimeout,
    HeaderTransform,
    InternalPath,
    MethodTransform,
    SizeLimit,
    TrackedPath,
    UrlRewrite,
    ValidateJson,
    ValidateRequest,
);

impl OnPath for MockResponse {
    fn is_disabled(&self) -> bool {
        self.disabled
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn method(&self) -> Option<&str> {
        Some(&self.method)
    }

    fn ignores_case(&self) -> bool {
        self.ignore_case
    }
}

impl OnPath for ListedPath {
    fn is_disabled(&self) -> bool {
        self.disabled
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn method(&self) -> Option<&str> {
        (!self.method.is_empty()).then_some(&self.method)
    }

    fn ignores_case(&self) -> bool {
        self.ignore_case
    }
}

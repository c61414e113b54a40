//! Which operation of the OpenAPI document a request is for, among those of which the extension says something.
//!
//! Paths match as they do elsewhere. Paths that differ in the names of their variables alone are told apart by the
//! schemas of these, the most restrictive first; a path without variables is not that of one with them. Source:
//! gateway.md §4.4, §4.5, §5.2.

mod variables;

use gateway_model::JsonPath;
use gateway_model::oas::Operation;
use gateway_sdk::Request;
use serde_json::Value;

use crate::apis::listen_path::mistake;
use crate::apis::paths::{OnPaths, Planned};
use crate::apis::pattern::{self, Pattern};
use crate::apis::plan::Planning;
use crate::config::PathRules;
use variables::Variables;

pub(super) use variables::{parameters, type_of};

/// What the extension says under one key, by operations.
pub(super) struct Operations<T> {
    /// Those of one pattern together; none at all where the path is that of an operation of which nothing is said.
    on_paths: OnPaths<Vec<Candidate<T>>>,
}

struct Candidate<T> {
    variables: Variables,
    what: T,
}

/// What is found for a request.
pub(super) enum Asked<'a, T> {
    /// Nothing is said of it.
    Nothing,
    /// This, with the variables of the path and their values.
    This(&'a T, Vec<(&'a str, String)>),
    /// Its path is that of several operations, and of none by their schemas. These are they.
    NoneOf(Vec<&'a T>),
    /// Its path is that of operations, and has not their variables.
    Unknown(Vec<&'a T>),
}

/// Operations whose paths have one pattern.
struct Group<'d, T> {
    expression: String,
    operations: Vec<(Operation<'d>, T)>,
}

impl<T> Operations<T> {
    /// What is said under `key`: `what` is given the operation, what is said of it, and where. `None` where there is
    /// nothing.
    pub(super) fn plan<'a>(
        planning: &mut Planning<'_, 'a>,
        key: &str,
        mut what: impl FnMut(&mut Planning<'_, 'a>, &Operation<'a>, &Value, &JsonPath) -> Option<T>,
    ) -> Option<Self> {
        let (oas, rules) = (planning.document()?, planning.rules());
        let all = oas.operations();
        let mut groups: Vec<Group<'a, T>> = Vec::new();
        let mut others = Vec::new();
        for operation in all {
            let Some((said, at)) = oas.enabled(&operation, key) else {
                others.push(operation);
                continue;
            };
            let Some(what) = what(planning, &operation, said, &at) else { continue };
            let expression = pattern::expression(operation.path, rules);
            let is_of = |group: &&mut Group<'a, T>| {
                let method = group.operations.first().map(|(first, _)| first.method);
                group.expression == expression && method == Some(operation.method)
            };
            match groups.iter_mut().find(is_of) {
                Some(group) => group.operations.push((operation, what)),
                None => groups.push(Group { expression, operations: vec![(operation, what)] }),
            }
        }
        let mut planned = Vec::new();
        for operation in others.iter().filter(|operation| is_shield(operation, &groups, rules)) {
            let rules = PathRules { anchor_start: true, anchor_end: true, ..rules };
            add(planning, &mut planned, operation, (&regex::escape(operation.path), rules), Vec::new());
        }
        for group in groups {
            let is_alone = group.operations.len() == 1;
            let Some((first, _)) = group.operations.first() else { continue };
            let first = *first;
            let mut candidates = Vec::new();
            for (operation, what) in group.operations {
                let Some(variables) = Variables::plan(planning, &operation, rules, !is_alone) else { continue };
                candidates.push(Candidate { variables, what });
            }
            candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.variables.rank()));
            add(planning, &mut planned, &first, (first.path, rules), candidates);
        }
        let on_paths = OnPaths::new(planned, planning.listen()?)?;
        Some(Self { on_paths })
    }

    /// What is said of the operation that a request is for.
    pub(super) fn find(&self, request: &Request) -> Asked<'_, T> {
        let Some(candidates) = self.on_paths.find(request) else { return Asked::Nothing };
        let mut has_values = false;
        for Candidate { variables, what } in candidates {
            let Some(values) = variables.values(request.path(), self.on_paths.listen()) else { continue };
            has_values = true;
            if variables.accept(&values) {
                return Asked::This(what, values);
            }
        }
        let all = candidates.iter().map(|Candidate { what, .. }| what).collect();
        match (candidates.is_empty(), has_values) {
            (true, _) => Asked::Nothing,
            (false, true) => Asked::NoneOf(all),
            (false, false) => Asked::Unknown(all),
        }
    }
}

fn add<T>(
    planning: &mut Planning<'_, '_>,
    planned: &mut Vec<Planned<T>>,
    operation: &Operation<'_>,
    (path, rules): (&str, PathRules),
    what: T,
) {
    let method = Some(operation.method.to_uppercase());
    match Pattern::new(path, rules) {
        Ok(pattern) => planned.push(Planned { pattern, method, what }),
        Err(error) => planning.refuse_in_document(&operation.at(), &mistake(&error)),
    }
}

/// Whether a path without variables, of which nothing is said, is one that a path with them would be taken for.
fn is_shield<T>(operation: &Operation<'_>, groups: &[Group<'_, T>], rules: PathRules) -> bool {
    let hides = |(other, _): &(Operation<'_>, T)| {
        other.path.contains('{')
            && other.method == operation.method
            && pattern::regex(other.path, rules).is_ok_and(|regex| regex.is_match(operation.path))
    };
    !operation.path.contains('{') && groups.iter().flat_map(|group| &group.operations).any(hides)
}

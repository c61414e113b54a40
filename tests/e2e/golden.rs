//! The golden cases: `tests/golden/<case>/`.

use std::path::Path;

#[tokio::test]
async fn every_golden_case_is_as_its_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let failures = gateway_tests::golden::walk(&folder).await.expect("the folder can be read");
    assert!(failures.is_empty(), "{} cases fail; UPDATE=1 rewrites them\n\n{}", failures.len(), failures.join("\n"));
}

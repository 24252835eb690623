//! docs/DISPOSITIONS.md, printed from the rules, so that it cannot say anything else.

use std::fmt::Write;

use domain::dialer::disposition::table;
use domain::{Disposition, Fault, Status};

use super::fa::status_label;

/// What calls come to, and why, as a Markdown page for operators.
pub fn dispositions_page() -> String {
    let mut page = String::from(
        "# What a call comes to\n\n\
         Printed from `crates/domain/src/dialer/disposition.rs`; `UPDATE_DOCS=1 cargo test -p web` \
         rewrites it.\n\n\
         `reason` is what GetQuickSend tells. `avanak quick-send show ID` tells the signs, too: \
         the cause, the SIP code and the Q.850 cause as they came.\n\n\
         | `reason` | Disposition | `status` |\n|---|---|---|\n",
    );
    let mut line = |text: String| writeln!(page, "{text}").expect("a String takes any text");
    for disposition in Disposition::ALL {
        let status = Status::Ended(disposition);
        line(format!("| {} | {disposition:?} | {} |", status.code(), status_label(status)));
    }
    line(String::from(
        "\n## Signs of a call that was not answered\n\n\
         A Q.850 cause is more exact than the SIP code that it comes with, and wins; a cause \
         without a row leaves it to the code. Of the SIP codes the first row counts.\n\n\
         The failure is the callee's (no other trunk is tried), the trunk's (the next trunk of the \
         route is tried, unless something rang), or ours (nothing is tried again). Where the SIP \
         code speaks of the callee, no cause makes it the trunk's failure. Nothing of this is \
         charged.\n\n\
         | Sign | Meaning | Disposition | Whose failure |\n|---|---|---|---|",
    ));
    for (sign, disposition, fault, why) in table() {
        let fault = match fault {
            Fault::Callee => "the callee's",
            Fault::Trunk => "the trunk's",
            Fault::Ours => "ours",
        };
        line(format!("| {sign} | {why} | {disposition:?} | {fault} |"));
    }
    page
}

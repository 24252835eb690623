//! What a check of a trunk found, step by step, for people and for programs.

use serde_json::{Value, json};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Not so.
    Fail,
    /// Nothing was tried.
    Skip,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name, such as `dns`.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, or why it failed or was skipped: one line.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// What was seen on the way.
    pub details: Vec<String>,
}

/// All steps of one trunk.
#[derive(Debug, Default)]
pub struct Report {
    steps: Vec<Step>,
}

impl Report {
    /// Adds a step that went well.
    pub fn pass(&mut self, name: &'static str, found: impl Into<String>) -> &mut Step {
        self.add(name, Verdict::Pass, found.into(), None)
    }

    /// Adds a step that failed, with what mends it.
    pub fn fail(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Step {
        self.add(name, Verdict::Fail, found.into(), Some(fix.into()))
    }

    /// Adds a step that was not tried.
    pub fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        self.add(name, Verdict::Skip, why.into(), None);
    }

    fn add(
        &mut self,
        name: &'static str,
        verdict: Verdict,
        found: String,
        fix: Option<String>,
    ) -> &mut Step {
        self.steps.push(Step { name, verdict, found, fix, details: Vec::new() });
        self.steps.last_mut().expect("it was just added")
    }

    /// Whether no step failed.
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|step| step.verdict != Verdict::Fail)
    }

    /// The steps as lines for people: `ok`, `FAIL` or `skip`, the step, what was found, the fix.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.steps {
            let mark = match step.verdict {
                Verdict::Pass => "ok  ",
                Verdict::Fail => "FAIL",
                Verdict::Skip => "skip",
            };
            let fix = step.fix.as_ref().map(|fix| format!(": {fix}")).unwrap_or_default();
            lines.push(format!("{mark} {:<12} {}{fix}", step.name, step.found));
            lines.extend(step.details.iter().map(|detail| format!("     {:<12} {detail}", "")));
        }
        lines
    }

    /// What one line can say: the failures, or what was found.
    pub fn summary(&self) -> String {
        let wanted = if self.passed() { Verdict::Pass } else { Verdict::Fail };
        let told = self.steps.iter().filter(|step| step.verdict == wanted).map(|step| {
            let fix = step.fix.as_ref().map(|fix| format!(": {fix}")).unwrap_or_default();
            format!("{}{fix}", step.found)
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// The same for programs.
    pub fn json(&self, trunk: &str) -> Value {
        let step = |step: &Step| {
            let verdict = match step.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "fail",
                Verdict::Skip => "skipped",
            };
            json!({
                "step": step.name,
                "verdict": verdict,
                "found": step.found,
                "fix": step.fix,
                "details": step.details,
            })
        };
        let steps: Vec<Value> = self.steps.iter().map(step).collect();
        json!({ "name": trunk, "passed": self.passed(), "steps": steps })
    }
}

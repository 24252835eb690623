//! The binary `avanak`.

fn main() -> std::process::ExitCode {
    server::cli::run()
}

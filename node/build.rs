//! Compiles the protocol of joining without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/enrol.proto");
    #[cfg(feature = "daemon")]
    {
        let descriptors = protox::compile(["proto/enrol.proto"], ["proto"])?;
        tonic_prost_build::configure().compile_fds(descriptors)?;
    }
    Ok(())
}

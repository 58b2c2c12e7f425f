#!/bin/sh
# The compiler of the workspace's own packages for fuzzing: it counts which ways through the code were taken. Cargo calls it
# as RUSTC_WORKSPACE_WRAPPER; what is not ours is compiled as always, and so are build scripts.
rustc=$1
shift
case " $* " in
*" --crate-name build_script_build "* | *" -vV "* | *" --print"*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=on -Coverflow-checks=on

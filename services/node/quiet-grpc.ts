// Before grpc-js is loaded: of a port that is taken it writes lines of its own, beside the one that says what to do.
process.env.GRPC_VERBOSITY ??= "NONE";

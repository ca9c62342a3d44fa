//! rover._engine

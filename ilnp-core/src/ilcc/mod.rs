//! The ILNP Communication Cache (RFC 6741 §5).

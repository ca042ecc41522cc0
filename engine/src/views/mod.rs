//! Questions about the past, answered from facts.

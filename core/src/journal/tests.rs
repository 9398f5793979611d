use alloc::vec::Vec;

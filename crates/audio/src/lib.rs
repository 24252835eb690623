//! Files and words in, telephone-ready clips out: decode, resample, level, trim, Persian text to speakable words. No I/O.

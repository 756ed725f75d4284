#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::text {

// What the fuzzers call with bytes of theirs, and the tests with those that are kept. Each aborts, with a
// line on stderr, where a promise is broken; ConfigurationError is the only exception that is an answer.

/// Settings from the first bytes, a text from the rest: all guarantees of the chunkers.
void fuzz_chunkers(const uint8_t* data, size_t size);

/// A text through WordPiece and byte-level BPE: tokens lie in the text, in its order, and words are
/// independent.
void fuzz_tokenizers(const uint8_t* data, size_t size);

/// The bytes as a tokenizer.json.
void fuzz_tokenizer_json(const uint8_t* data, size_t size);

}  // namespace headrace::text

#pragma once

#include <string>
#include <vector>

namespace headrace::text {

/// A WordPiece tokenizer.json with a few words and one added token, whose truncation and padding must be
/// ignored.
inline const std::string kBert = R"({
  "truncation": {"max_length": 4}, "padding": {"strategy": {"Fixed": 4}},
  "added_tokens": [{"id": 9, "content": "[MASK]", "lstrip": true}],
  "normalizer": {"type": "BertNormalizer", "lowercase": true, "strip_accents": null},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[SEP]"}}],
    "special_tokens": {"[CLS]": {"ids": [1]}, "[SEP]": {"ids": [2]}}},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 20,
    "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "sao": 3, "un": 4, "##aff": 5, "##able": 6, "!": 7, "日": 8, "[MASK]": 9, "a": 10}}
})";

/// A byte-level BPE: every byte, and a few merges of ASCII letters.
inline std::string gpt2_json() {
  std::string vocab;
  int id = 0;
  const auto add = [&](const std::string& token) {
    vocab += (id == 0 ? "\"" : ", \"") + token + "\": " + std::to_string(id);
    ++id;
  };
  std::vector<std::string> hidden;
  for (int byte = 0; byte < 256; ++byte) {
    const bool seen = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const int code = seen ? byte : 0x100 + static_cast<int>(hidden.size());
    if (!seen) hidden.emplace_back();
    if (code < 0x80) {
      add(code == '"' || code == '\\' ? std::string("\\") + static_cast<char>(code)
                                      : std::string(1, static_cast<char>(code)));
    } else {
      add({static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))});
    }
  }
  for (const char* merged : {"th", "the", "Ġthe", "an"}) add(merged);
  return R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "model": {"type": "BPE", "merges": ["t h", ["th", "e"], "Ġ the", "a n"], "vocab": {)" +
         vocab + "}}}";
}

}  // namespace headrace::text

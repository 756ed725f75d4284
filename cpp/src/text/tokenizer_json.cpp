#include <nlohmann/json.hpp>
#include <string>

#include "byte_pair.h"
#include "headrace/base/error.h"
#include "headrace/text/tokenizer.h"
#include "utf8.h"
#include "word_piece.h"

namespace headrace::text {

namespace {

using Json = nlohmann::json;

[[noreturn]] void unknown(const std::string& what) {
  throw ConfigurationError("the native tokenizers don't know " + what + ": use the tokenizers package");
}

// A member that may be absent or null.
template <class Value>
Value member(const Json& object, const char* name, Value fallback) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? fallback : found->get<Value>();
}

std::string type_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? "none" : member<std::string>(*found, "type", "none");
}

std::vector<uint32_t> code_points(const std::string& utf8) {
  const DecodedText text(utf8);
  std::vector<uint32_t> codes;
  for (int64_t i = 0; i < text.view().size(); ++i) codes.push_back(text.view()[i]);
  return codes;
}

AddedTokens added_tokens(const Json& json, bool normalizes) {
  AddedTokens found;
  const auto list = json.find("added_tokens");
  if (list == json.end()) return found;
  for (const Json& token : *list) {
    const auto content = token.at("content").get<std::string>();
    if (member(token, "single_word", false)) unknown("added token '" + content + "' with single_word");
    if (normalizes && member(token, "normalized", false))
      unknown("added token '" + content + "' with normalized");
    if (content.empty()) continue;
    found.add({code_points(content), token.at("id").get<int32_t>(), member(token, "lstrip", false),
               member(token, "rstrip", false)});
  }
  return found;
}

// How many tokens the model puts around one text.
int64_t template_tokens(const Json& processor) {
  int64_t count = 0;
  for (const Json& part : processor.at("single")) {
    const auto special = part.find("SpecialToken");
    if (special == part.end()) continue;
    const auto id = special->at("id").get<std::string>();
    count += static_cast<int64_t>(processor.at("special_tokens").at(id).at("ids").size());
  }
  return count;
}

int64_t special_tokens(const Json& json) {
  const std::string type = type_of(json, "post_processor");
  if (type == "none") return 0;
  if (type == "TemplateProcessing") return template_tokens(json.at("post_processor"));
  if (type == "BertProcessing" || type == "RobertaProcessing") return 2;
  if (type == "ByteLevel") return 0;
  unknown("post processor " + type);
}

std::unique_ptr<Tokenizer> word_piece(const Json& json) {
  if (type_of(json, "normalizer") != "BertNormalizer")
    unknown("WordPiece with normalizer " + type_of(json, "normalizer"));
  if (type_of(json, "pre_tokenizer") != "BertPreTokenizer") {
    unknown("WordPiece with pre-tokenizer " + type_of(json, "pre_tokenizer"));
  }
  const Json& normalizer = json.at("normalizer");
  const Json& model = json.at("model");
  WordPieceModel found;
  found.vocabulary = model.at("vocab").get<std::unordered_map<std::string, int32_t>>();
  found.unknown = member<std::string>(model, "unk_token", "[UNK]");
  found.continuing_prefix = member<std::string>(model, "continuing_subword_prefix", "##");
  found.max_word = member<int64_t>(model, "max_input_chars_per_word", 100);
  found.steps.clean_text = member(normalizer, "clean_text", true);
  found.steps.handle_chinese_chars = member(normalizer, "handle_chinese_chars", true);
  found.steps.lowercase = member(normalizer, "lowercase", true);
  found.steps.strip_accents = member(normalizer, "strip_accents", found.steps.lowercase);
  found.added = added_tokens(json, true);
  found.special_tokens = special_tokens(json);
  return std::make_unique<WordPieceTokenizer>(found);
}

// How the text is split into words, by the pattern's own text: patterns are known, not interpreted.
ByteLevelSplit split_of(const Json& json) {
  const Json& pre = json.at("pre_tokenizer");
  if (type_of(json, "pre_tokenizer") == "ByteLevel" && member(pre, "use_regex", true))
    return ByteLevelSplit::kGpt2;
  if (type_of(json, "pre_tokenizer") != "Sequence")
    unknown("BPE with pre-tokenizer " + type_of(json, "pre_tokenizer"));
  const Json& steps = pre.at("pretokenizers");
  const auto is = [&](size_t step, const char* type) {
    return member<std::string>(steps.at(step), "type", "") == type;
  };
  if (steps.size() != 2 || !is(0, "Split") || !is(1, "ByteLevel") || member(steps.at(1), "use_regex", true) ||
      member<std::string>(steps.at(0), "behavior", "") != "Isolated" ||
      member(steps.at(0), "invert", false)) {
    unknown("BPE with this sequence of pre-tokenizers");
  }
  const auto pattern = member<std::string>(steps.at(0).at("pattern"), "Regex", "");
  if (pattern == kLlama3Pattern) return ByteLevelSplit::kLlama3;
  if (pattern == kQwen2Pattern) return ByteLevelSplit::kQwen2;
  unknown("BPE with the pattern " + pattern);
}

bool adds_prefix_space(const Json& json) {
  const Json& pre = json.at("pre_tokenizer");
  const Json& last = pre.contains("pretokenizers") ? pre.at("pretokenizers").back() : pre;
  return member(last, "add_prefix_space", true);
}

void check_bpe(const Json& json) {
  const Json& model = json.at("model");
  if (type_of(json, "normalizer") != "none") unknown("BPE with normalizer " + type_of(json, "normalizer"));
  if (member(model, "byte_fallback", false)) unknown("BPE with byte_fallback");
  if (model.contains("dropout") && !model.at("dropout").is_null()) unknown("BPE with dropout");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!member<std::string>(model, affix, "").empty()) unknown(std::string("BPE with ") + affix);
  }
}

// "a b", or ["a", "b"] in newer files.
std::pair<std::string, std::string> merge_of(const Json& merge) {
  if (merge.is_array()) return {merge.at(0).get<std::string>(), merge.at(1).get<std::string>()};
  const auto text = merge.get<std::string>();
  const size_t blank = text.find(' ');
  if (blank == std::string::npos) unknown("the merge '" + text + "'");
  return {text.substr(0, blank), text.substr(blank + 1)};
}

std::unique_ptr<Tokenizer> byte_pair(const Json& json) {
  check_bpe(json);
  const Json& model = json.at("model");
  BytePairModel found;
  found.vocabulary = model.at("vocab").get<std::unordered_map<std::string, int32_t>>();
  for (const Json& merge : model.at("merges")) found.merges.push_back(merge_of(merge));
  found.ignore_merges = member(model, "ignore_merges", false);
  found.split = split_of(json);
  found.prefix_space = adds_prefix_space(json);
  const std::string post = type_of(json, "post_processor");
  if (post == "ByteLevel" || post == "RobertaProcessing") {
    found.trims_offsets = member(json.at("post_processor"), "trim_offsets", true);
    found.trims_after_prefix = member(json.at("post_processor"), "add_prefix_space", true);
  }
  found.added = added_tokens(json, false);
  found.special_tokens = special_tokens(json);
  return std::make_unique<BytePairTokenizer>(found);
}

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const Json& model = json.at("model");
    const std::string type = member<std::string>(
        model, "type", model.contains("continuing_subword_prefix") ? "WordPiece" : "none");
    if (type == "WordPiece") return word_piece(json);
    if (type == "BPE") return byte_pair(json);
    unknown("model " + type);
  } catch (const Json::exception& error) {
    throw ConfigurationError(std::string("not a tokenizer.json: ") + error.what());
  }
}

}  // namespace headrace::text

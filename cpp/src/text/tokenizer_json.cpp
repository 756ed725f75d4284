#include <nlohmann/json.hpp>
#include <string>

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

AddedTokens added_tokens(const Json& json) {
  AddedTokens found;
  const auto list = json.find("added_tokens");
  if (list == json.end()) return found;
  for (const Json& token : *list) {
    const auto content = token.at("content").get<std::string>();
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
      if (member(token, flag, false)) unknown("added token '" + content + "' with " + flag);
    }
    if (!content.empty()) found.add(code_points(content), token.at("id").get<int32_t>());
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
  if (type == "BertProcessing") return 2;
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
  found.added = added_tokens(json);
  found.special_tokens = special_tokens(json);
  return std::make_unique<WordPieceTokenizer>(found);
}

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const Json& model = json.at("model");
    const std::string type = member<std::string>(
        model, "type", model.contains("continuing_subword_prefix") ? "WordPiece" : "none");
    if (type == "WordPiece") return word_piece(json);
    unknown("model " + type);
  } catch (const Json::exception& error) {
    throw ConfigurationError(std::string("not a tokenizer.json: ") + error.what());
  }
}

}  // namespace headrace::text

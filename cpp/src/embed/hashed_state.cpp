#include <xxhash.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "headrace/base/error.h"
#include "headrace/embed/hashed_embedder.h"
#include "headrace/embed/words.h"
#include "idf_table.h"

namespace headrace::embed {
namespace {

using nlohmann::json;

constexpr int kAlgorithm = 1;  // raise it with every change that changes a vector
constexpr size_t kChecksumLength = 16;
constexpr const char* kKind = "headrace hashed embedder";

std::string hex64(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string checksum(std::string_view bytes) {
  return hex64(XXH3_64bits(bytes.data(), bytes.size()));
}

json read_header(std::string_view line) {
  json header = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object() || header.value("kind", json()) != kKind) {
    throw ConfigurationError("these bytes are not the state of a HashedEmbedder");
  }
  if (header.value("algorithm", json()) != kAlgorithm ||
      header.value("unicode", json()) != word_tables_version()) {
    throw ConfigurationError(
        "this embedder state was made by another version (algorithm or Unicode tables): fit again");
  }
  return header;
}

HashedSettings read_settings(const json& header) {
  HashedSettings settings;
  settings.dim = header.at("dim").get<int64_t>();
  settings.word_ngrams = header.at("word_ngrams").get<int64_t>();
  settings.min_char_ngram = header.at("char_ngrams").at(0).get<int64_t>();
  settings.max_char_ngram = header.at("char_ngrams").at(1).get<int64_t>();
  settings.char_share = header.at("char_share").get<double>();
  return settings;
}

}  // namespace

void HashedEmbedder::name_model() {
  const std::string described =
      json{settings_.dim,        settings_.word_ngrams, settings_.min_char_ngram, settings_.max_char_ngram,
           settings_.char_share, word_tables_version()}
          .dump();
  model_id_ = "hashed-";
  model_id_.append(std::to_string(kAlgorithm)).append("-").append(std::to_string(settings_.dim));
  model_id_.append("-").append(checksum(described), 0, 8);
  if (documents() > 0) {
    model_id_.append("-").append(checksum(std::to_string(documents()) + "," + idf_->encode()));
  }
}

std::string HashedEmbedder::state() const {
  const json header = {{"kind", kKind},
                       {"algorithm", kAlgorithm},
                       {"unicode", word_tables_version()},
                       {"dim", settings_.dim},
                       {"word_ngrams", settings_.word_ngrams},
                       {"char_ngrams", {settings_.min_char_ngram, settings_.max_char_ngram}},
                       {"char_share", settings_.char_share},
                       {"documents", documents()}};
  std::string bytes = header.dump() + "\n" + idf_->encode();
  return bytes + checksum(bytes);
}

HashedEmbedder HashedEmbedder::from_state(std::string_view bytes) {
  const size_t line_end = bytes.find('\n');
  const json header = read_header(bytes.substr(0, line_end));
  if (line_end == std::string_view::npos || bytes.size() < line_end + 1 + kChecksumLength ||
      checksum(bytes.substr(0, bytes.size() - kChecksumLength)) !=
          bytes.substr(bytes.size() - kChecksumLength)) {
    throw CheckpointCorruptionError("this embedder state is damaged (checksum): fit the embedder again");
  }
  try {
    HashedEmbedder embedder(read_settings(header));
    const auto counts = bytes.substr(line_end + 1, bytes.size() - line_end - 1 - kChecksumLength);
    *embedder.idf_ = IdfTable::decode(counts, header.at("documents").get<int64_t>());
    embedder.name_model();
    return embedder;
  } catch (const json::exception&) {
    throw CheckpointCorruptionError("this embedder state lacks a field: fit the embedder again");
  }
}

}  // namespace headrace::embed

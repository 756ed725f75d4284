#include "headrace/base/error.h"
#include "headrace/embed/hashed_embedder.h"
#include "headrace/embed/words.h"
#include "idf_table.h"
#include "sealed_state.h"

namespace headrace::embed {
namespace {

using nlohmann::json;

constexpr int kAlgorithm = 1;  // raise it with every change that changes a vector
constexpr const char* kKind = "headrace hashed embedder";

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
  json header = {{"dim", settings_.dim},
                 {"word_ngrams", settings_.word_ngrams},
                 {"char_ngrams", {settings_.min_char_ngram, settings_.max_char_ngram}},
                 {"char_share", settings_.char_share},
                 {"documents", documents()}};
  return seal_state(kKind, kAlgorithm, std::move(header), idf_->encode());
}

HashedEmbedder HashedEmbedder::from_state(std::string_view bytes) {
  const SealedState state = open_state(kKind, kAlgorithm, bytes);
  try {
    HashedEmbedder embedder(read_settings(state.header));
    *embedder.idf_ = IdfTable::decode(state.counts, state.header.at("documents").get<int64_t>());
    embedder.name_model();
    return embedder;
  } catch (const json::exception&) {
    throw CheckpointCorruptionError("this state lacks a field: fit the embedder again");
  }
}

}  // namespace headrace::embed

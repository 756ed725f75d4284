#include "headrace/embed/bm25.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "headrace/base/error.h"
#include "headrace/embed/words.h"
#include "sealed_state.h"

namespace headrace::embed {
namespace {

using nlohmann::json;

constexpr int kAlgorithm = 1;  // raise it with every change that changes a vector
constexpr const char* kKind = "headrace BM25";

/// The words of one text as sorted (index, count).
class WordCounts {
 public:
  void read(std::string_view text) {
    indices_.clear();
    while (!text.empty()) {
      list_.read(take_piece(text));
      for (int64_t i = 0; i < list_.size(); ++i) {
        const std::string_view word = list_.text(i);
        indices_.push_back(static_cast<uint32_t>(XXH3_64bits(word.data(), word.size())));
      }
    }
    std::sort(indices_.begin(), indices_.end());
  }
  int64_t length() const { return static_cast<int64_t>(indices_.size()); }

  template <class Each>
  void for_each(Each&& each) const {
    for (size_t i = 0; i < indices_.size();) {
      size_t end = i;
      while (end < indices_.size() && indices_[end] == indices_[i]) ++end;
      each(indices_[i], static_cast<int64_t>(end - i));
      i = end;
    }
  }

 private:
  WordList list_;
  std::vector<uint32_t> indices_;
};

void check(bool holds, const char* message) {
  if (!holds) throw ConfigurationError(message);
}

}  // namespace

Bm25::Bm25(const Bm25Settings& settings) : settings_(settings) {
  check(settings.k1 >= 0 && settings.k1 < 1e6, "k1 must be at least 0");
  check(settings.b >= 0 && settings.b <= 1, "b must be between 0 and 1");
  check(settings.average_length > 0 && settings.average_length < 1e12, "average_length must be above 0");
  name_model();
}

double Bm25::average_length() const noexcept {
  if (documents_ == 0 || words_ == 0) return settings_.average_length;
  return static_cast<double>(words_) / static_cast<double>(documents_);
}

void Bm25::begin_fit() {
  next_ = std::make_unique<Bm25>(settings_);
}

void Bm25::add(std::span<const std::string_view> texts) {
  if (!next_) begin_fit();
  WordCounts counts;
  for (const std::string_view text : texts) {
    counts.read(text);
    counts.for_each([&](uint32_t word, int64_t) { ++next_->frequencies_[word]; });
    next_->words_ += counts.length();
    ++next_->documents_;
  }
}

void Bm25::end_fit() {
  if (!next_) begin_fit();
  const std::unique_ptr<Bm25> fitted = std::move(next_);
  documents_ = fitted->documents_;
  words_ = fitted->words_;
  frequencies_ = std::move(fitted->frequencies_);
  name_model();
}

SparseRows Bm25::embed_documents(std::span<const std::string_view> texts) const {
  SparseRows rows;
  WordCounts counts;
  const double average = average_length();
  for (const std::string_view text : texts) {
    counts.read(text);
    const double length = static_cast<double>(counts.length()) / average;
    const double saturation = settings_.k1 * (1 - settings_.b + settings_.b * length);
    counts.for_each([&](uint32_t word, int64_t count) {
      const auto n = static_cast<double>(count);
      rows.indices.push_back(word);
      rows.values.push_back(static_cast<float>(n * (settings_.k1 + 1) / (n + saturation)));
    });
    rows.starts.push_back(static_cast<int64_t>(rows.indices.size()));
  }
  return rows;
}

SparseRows Bm25::embed_queries(std::span<const std::string_view> texts) const {
  SparseRows rows;
  WordCounts counts;
  for (const std::string_view text : texts) {
    counts.read(text);
    counts.for_each([&](uint32_t word, int64_t count) {
      rows.indices.push_back(word);
      rows.values.push_back(static_cast<float>(static_cast<double>(count) * idf(word)));
    });
    rows.starts.push_back(static_cast<int64_t>(rows.indices.size()));
  }
  return rows;
}

// Robertson and Sparck Jones, kept above 0 as Lucene does.
double Bm25::idf(uint32_t word) const {
  if (documents_ == 0) return 1;
  const auto found = frequencies_.find(word);
  const double with = found == frequencies_.end() ? 0 : static_cast<double>(found->second);
  return std::log(1 + (static_cast<double>(documents_) - with + 0.5) / (with + 0.5));
}

void Bm25::name_model() {
  const std::string described =
      json{settings_.k1, settings_.b, average_length(), word_tables_version()}.dump();
  model_id_ = "bm25-";
  model_id_.append(std::to_string(kAlgorithm)).append("-").append(checksum(described));
}

std::string Bm25::state() const {
  std::vector<std::pair<uint32_t, int64_t>> sorted(frequencies_.begin(), frequencies_.end());
  std::sort(sorted.begin(), sorted.end());
  std::string counts;
  uint32_t last = 0;
  for (const auto& [word, count] : sorted) {
    append_varint(counts, word - last);
    append_varint(counts, static_cast<uint64_t>(count));
    last = word;
  }
  json header = {{"k1", settings_.k1},
                 {"b", settings_.b},
                 {"average_length", settings_.average_length},
                 {"documents", documents_},
                 {"words", words_}};
  return seal_state(kKind, kAlgorithm, std::move(header), counts);
}

Bm25 Bm25::from_state(std::string_view bytes) {
  const SealedState state = open_state(kKind, kAlgorithm, bytes);
  try {
    const json& header = state.header;
    Bm25 model({header.at("k1").get<double>(), header.at("b").get<double>(),
                header.at("average_length").get<double>()});
    model.documents_ = header.at("documents").get<int64_t>();
    model.words_ = header.at("words").get<int64_t>();
    uint32_t word = 0;
    for (size_t position = 0; position < state.counts.size();) {
      word += static_cast<uint32_t>(read_varint(state.counts, position));
      model.frequencies_[word] = static_cast<int64_t>(read_varint(state.counts, position));
    }
    model.name_model();
    return model;
  } catch (const json::exception&) {
    throw CheckpointCorruptionError("this state lacks a field: fit again");
  }
}

}  // namespace headrace::embed

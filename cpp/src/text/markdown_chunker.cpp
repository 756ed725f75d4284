#include "headrace/text/markdown_chunker.h"

#include <algorithm>
#include <string>

#include "cutter.h"
#include "headrace/base/error.h"
#include "markdown_breaks.h"
#include "markdown_scan.h"
#include "with_measure.h"

namespace headrace::text {

namespace {

// Walks the sections of one text and cuts each by itself; tables too long for a chunk are cut apart from the
// rest.
template <class Code>
class MarkdownCut {
 public:
  MarkdownCut(const Scanner<Code>& text, const Measure& measure, const ChunkOptions& options, ChunkList& out)
      : text_(text),
        measure_(measure),
        outline_(scan_markdown(text)),
        out_(out),
        breaks_(text, measure, outline_, fill(options), options.stable),
        rows_(text, options.stable),
        cutter_(text, measure, breaks_, cutting(options, 0.0)),
        row_cutter_(text, measure, rows_, {fill(options), false, options.stable}),
        limit_(options.size) {}

  void run(int64_t min_section) {
    out_.notes.resize(out_.spans.size());
    heading_base_ = static_cast<int64_t>(out_.headings.size());
    for (Heading heading : outline_.headings) {
      if (heading.parent >= 0) heading.parent += heading_base_;
      out_.headings.push_back(heading);
    }
    front_matter();
    for (size_t i = 0; i < outline_.sections.size(); ++i) {
      const MarkdownSection& first = outline_.sections[i];
      while (i + 1 < outline_.sections.size() && outline_.sections[i].end - first.start < min_section) ++i;
      section(first.start, outline_.sections[i].end, first.heading);
    }
  }

 private:
  void front_matter() {
    cutter_.run(0, outline_.front_matter_end, out_);
    ChunkNote common;
    common.front_matter = true;
    note(common);
  }

  void section(int64_t start, int64_t end, int64_t heading) {
    while (block_ < outline_.blocks.size() && outline_.blocks[block_].start < end) {
      const MarkdownBlock& block = outline_.blocks[block_++];
      if (!block.is_table || !needs_header(block)) continue;
      // A heading or a line of introduction goes with the table.
      if (measure_.count(start, text_.skip_blanks(block.body)) > limit_ / 4) {
        cutter_.run(start, block.start, out_);
        note(under(heading));
        start = block.start;
      }
      table(start, block, heading);
      start = block.end;
    }
    cutter_.run(start, end, out_);
    note(under(heading));
  }

  // Is the table too long for a chunk, and its header short enough to be repeated?
  bool needs_header(const MarkdownBlock& table) const {
    const int64_t end = table.trimmed;
    if (measure_.window_end(table.start, 0) >= end || text_.skip_blanks(table.body) >= end) return false;
    return measure_.count(table.start, text_.skip_blanks(table.body)) <= limit_ / 2;
  }

  // The rows are cut as if the header stood before each chunk; before the first one it does, behind
  // text[start].
  void table(int64_t start, const MarkdownBlock& table, int64_t heading) {
    const size_t first = out_.spans.size();
    const int64_t header = measure_.count(table.start, table.body);
    row_cutter_.reserve(measure_.count(start, text_.skip_blanks(table.body)), header);
    row_cutter_.run(table.body, table.end, out_);
    const int64_t begin = text_.skip_blanks(start);
    size_t without_context = 1;
    if (!splits_from(first) && measure_.excess(begin, out_.spans[first].end, 0) == 0) {
      out_.spans[first].start = begin;
    } else {
      without_context = lead(start, table, header);
    }
    ChunkNote common = under(heading);
    common.context = {table.start, table.body};
    note(common);
    for (size_t i = 0; i < without_context; ++i) out_.notes[first + i].context = {};
  }

  bool splits_from(size_t chunk) const {
    return !out_.splits.empty() && out_.splits.back() >= static_cast<int64_t>(chunk);
  }

  // What leaves the first row too little room gets chunks of its own before it; answers how many.
  size_t lead(int64_t start, const MarkdownBlock& table, int64_t header) {
    const size_t first = out_.notes.size();
    while (splits_from(first)) out_.splits.pop_back();
    out_.spans.resize(first);
    cutter_.run(start, table.body, out_);
    const size_t count = out_.spans.size() - first;
    row_cutter_.reserve(header, header);
    row_cutter_.run(table.body, table.end, out_);
    return count;
  }

  ChunkNote under(int64_t heading) const {
    ChunkNote note;
    note.heading = heading < 0 ? -1 : heading + heading_base_;
    return note;
  }

  // What the chunks since the last call have in common.
  void note(const ChunkNote& common) {
    while (out_.notes.size() < out_.spans.size()) {
      ChunkNote each = common;
      begin_in_code(out_.spans[out_.notes.size()].start, each);
      out_.notes.push_back(each);
    }
  }

  void begin_in_code(int64_t start, ChunkNote& note) {
    while (code_ < outline_.blocks.size() && outline_.blocks[code_].end <= start) ++code_;
    if (code_ == outline_.blocks.size()) return;
    const MarkdownBlock& block = outline_.blocks[code_];
    if (block.is_table || start < block.body) return;
    note.in_code = true;
    note.code = block.info;
  }

  const Scanner<Code>& text_;
  const Measure& measure_;
  MarkdownOutline outline_;
  ChunkList& out_;
  MarkdownBreaks<Code> breaks_;
  RecursiveBreaks<Code> rows_;
  Cutter<Code> cutter_;
  Cutter<Code> row_cutter_;
  int64_t limit_;
  int64_t heading_base_ = 0;  // index in out_.headings of this text's first one
  size_t block_ = 0;          // the next block to look at
  size_t code_ = 0;           // the same for begin_in_code
};

}  // namespace

MarkdownChunker::MarkdownChunker(ChunkOptions options, int64_t min_section)
    : options_(checked(options)), min_section_(min_section) {
  if (min_section < 0) {
    throw ConfigurationError("min_section must be at least 0, not " + std::to_string(min_section));
  }
}

void MarkdownChunker::chunk(TextView text, ChunkList& out) const {
  with_measure(text, options_, [&]<class Code>(const Scanner<Code>& scanner, const Measure& measure) {
    MarkdownCut<Code>(scanner, measure, options_, out).run(min_section_);
  });
}

}  // namespace headrace::text

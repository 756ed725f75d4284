#pragma once

#include <cstdint>

namespace headrace::text {

/// What a cut stands at, best first. kEnd: the rest of the text fits; kHard: inside a cluster, or nowhere.
enum class Level { kEnd, kHeading, kBlock, kParagraph, kLine, kSentence, kWord, kCluster, kHard };

struct Cut {
  int64_t end;   ///< of the chunk
  int64_t next;  ///< where the text goes on
  Level level;
};

/// Where a chunk that begins at `start` may end: at a position in [low, high].
struct Window {
  int64_t start;
  int64_t floor;  ///< a cluster boundary at or before start
  int64_t low;
  int64_t high;
};

/// Where a kind of chunker likes to cut. All positions given back are cluster boundaries.
class Breaks {
 public:
  virtual ~Breaks() = default;

  /// The best cut of the window; level kHard where there is none.
  virtual Cut best(const Window& window) const = 0;

  /// A good place in [low, end) to start the next chunk at, `end` where there is none.
  virtual int64_t overlap_start(int64_t floor, int64_t low, int64_t end) const = 0;
};

}  // namespace headrace::text

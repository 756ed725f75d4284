#include "headrace/flow/stage.h"

namespace headrace {

bool Stage::keeps_timeout(double) {
  return false;
}

}  // namespace headrace

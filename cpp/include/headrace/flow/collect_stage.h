#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "headrace/collect/http.h"
#include "headrace/collect/process.h"
#include "headrace/collect/ssh.h"
#include "headrace/flow/stage.h"

namespace headrace {

/// Asks a target for every item: a map stage. An outcome that is ok is the unit's result (as Python's
/// headrace.collect.Outcome); any other is its failure, whose error_type is the outcome's, and which may be
/// retried where that may help. The policy's timeout takes the place of the collector's, and its retry that
/// of the collector's. A run that is cancelled ends what is under way.
class CollectStage final : public Stage {
 public:
  /// Asks the target that an item's value names. ConfigurationError: the value names none.
  using Ask = std::function<collect::Outcome(const nlohmann::json& value, const CancelToken& cancel)>;
  /// Makes that function for a timeout in seconds; 0: as the collector's settings say.
  using MakeAsk = std::function<Ask(double timeout)>;

  CollectStage(std::string name, std::string identity, MakeAsk make, std::int64_t workers);

  std::string identity() const override { return identity_; }
  bool keeps_timeout(double seconds) override;
  void run(const RunInfo& run, Slice& slice) override;

 private:
  const std::string identity_;
  const MakeAsk make_;
  Ask ask_;
};

/// Runs commands on the host that an item names: a string ("name", "address", "name:port"), or a mapping with
/// `host` and perhaps `port`. Throws ConfigurationError, naming the setting.
std::shared_ptr<CollectStage> ssh_stage(std::string name, std::string identity, collect::SshOptions options,
                                        std::vector<std::string> commands);
/// Runs `command`, in whose words "{}" stands for the item's value, and "{name}" for a field of it (a mapping
/// without it is a ConfigurationError; "{{name}}" is "{name}" itself); without a command, the value is one: a
/// list of strings.
std::shared_ptr<CollectStage> process_stage(std::string name, std::string identity,
                                            collect::ProcessOptions options, collect::Command command);
/// Asks the URL that an item names: a string, or a mapping with `url`.
std::shared_ptr<CollectStage> http_stage(std::string name, std::string identity,
                                         collect::HttpOptions options);

}  // namespace headrace

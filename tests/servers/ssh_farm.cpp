// Many devices on one port: ssh_farm PORT HOST_KEY LATENCY_MS [THREADS]. Listens on all of 127.0.0.0/8 until
// its standard input ends. Behaviours are those of 127.0.1.x: x up to 200 is good, see below for the others.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_router.h"

using headrace::testing::Behaviour;
using headrace::testing::FakeRouter;

int main(int count, char** words) {
  if (count < 4) {
    std::fprintf(stderr, "usage: ssh_farm PORT HOST_KEY LATENCY_MS [THREADS]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  FakeRouter::Options options;
  options.port = std::atoi(words[1]);
  options.host_key = words[2];
  options.latency_ms = std::atoi(words[3]);
  // More exact addresses take precedence over 0.0.0.0.
  const std::map<std::string, Behaviour> faults = {
      {"127.0.1.201", Behaviour::kSilent},       {"127.0.1.202", Behaviour::kBannerFlood},
      {"127.0.1.203", Behaviour::kGarbage},      {"127.0.1.204", Behaviour::kCloseAtOnce},
      {"127.0.1.205", Behaviour::kCloseAtLogin}, {"127.0.1.206", Behaviour::kRefuse},
      {"127.0.1.207", Behaviour::kPromptsOnly},  {"127.0.1.208", Behaviour::kPasswordOnly},
      {"127.0.1.209", Behaviour::kRefuseExec},   {"127.0.1.210", Behaviour::kHang},
      {"127.0.1.211", Behaviour::kDrip},         {"127.0.1.212", Behaviour::kCut},
      {"127.0.1.213", Behaviour::kNoStatus},     {"127.0.1.214", Behaviour::kFlood}};
  std::vector<std::unique_ptr<FakeRouter>> routers;
  try {
    for (const auto& [address, behaviour] : faults) {
      FakeRouter::Options fault = options;
      fault.address = address;
      fault.behaviour = behaviour;
      routers.push_back(std::make_unique<FakeRouter>(fault));
    }
    options.address = "0.0.0.0";
    options.threads = count > 4 ? std::atoi(words[4]) : 250;
    routers.push_back(std::make_unique<FakeRouter>(options));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ssh_farm: %s\n", error.what());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  std::_Exit(0);  // threads that drip or hang need not be waited for
}

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "process_attempt.h"
#include "process_resources.h"

namespace headrace::collect {

ProcessPool::ProcessPool(ProcessOptions options, bool marked)
    : options_(std::move(options)),
      marked_(marked),
      null_(above_standard(::open("/dev/null", O_RDWR | O_CLOEXEC))) {
  if (!null_) throw_no_resource("cannot open /dev/null", errno);
  for (const auto& [name, value] : *options_.env) entries_.push_back(name + "=" + value);
  // Collectors that are made at the same moment in two threads differ by where they lie.
  mark_prefix_ = std::to_string(::getpid()) + "." + std::to_string(Clock::now().time_since_epoch().count()) +
                 "." + std::to_string(reinterpret_cast<std::uintptr_t>(this)) + ".";
}

std::unique_ptr<ProcessShared> ProcessPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto shared = std::move(idle_.back());
      idle_.pop_back();
      return shared;
    }
  }
  return std::make_unique<ProcessShared>(*this);
}

void ProcessPool::give_back(std::unique_ptr<ProcessShared> shared) {
  shared->trees().clear();
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(shared));
}

ProcessShared::ProcessShared(ProcessPool& pool) : pool_(pool), trees_(pool.killer()) {}

const ProcessOptions& ProcessShared::options() const {
  return pool_.options();
}

TreeKiller& ProcessShared::killer() {
  return pool_.killer();
}

const std::string& ProcessShared::program(const std::string& name) {
  const auto found = programs_.find(name);
  if (found != programs_.end() && !found->second.empty()) return found->second;
  const char* path = nullptr;
  for (const auto& [key, value] : *options().env) {
    if (key == "PATH") path = value.c_str();
  }
  return programs_[name] = find_program(name, path);
}

const std::string& ProcessShared::program_anew(const std::string& name) {
  programs_.erase(name);
  return program(name);
}

std::string ProcessShared::next_mark() {
  return pool_.marked_ ? pool_.mark_prefix_ + std::to_string(pool_.marks_++) : std::string();
}

std::vector<char*> ProcessShared::environment(std::string& entry) {
  std::vector<char*> pointers;
  pointers.reserve(pool_.entries_.size() + 2);
  for (std::string& given : pool_.entries_) pointers.push_back(given.data());
  if (!entry.empty()) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  return pointers;
}

int ProcessShared::input(UniqueFd& owner) {
  if (!options().input) return pool_.null_.get();
  owner = above_standard(::memfd_create("headrace-input", MFD_CLOEXEC));
  if (!owner) throw_no_resource("cannot hold the input", errno);
  const std::string& content = *options().input;
  for (size_t written = 0; written < content.size();) {
    const ssize_t count = ::write(owner.get(), content.data() + written, content.size() - written);
    if (count < 0 && errno != EINTR) throw_no_resource("cannot hold the input", errno);
    if (count > 0) written += static_cast<size_t>(count);
  }
  ::lseek(owner.get(), 0, SEEK_SET);
  return owner.get();
}

}  // namespace headrace::collect

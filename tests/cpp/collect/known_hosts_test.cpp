#include "headrace/collect/known_hosts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

using Verdict = KnownHosts::Verdict;

std::string file_with(const std::string& content) {
  const std::string path = ::testing::TempDir() + "known_hosts_test";
  ::unlink(path.c_str());
  std::ofstream(path) << content;
  return path;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST(KnownHosts, PlainNamesPortsAndTypes) {
  const KnownHosts hosts(
      file_with("# comment\n\n"
                "r1,192.0.2.1 ssh-ed25519 AAAA1 admin@r1\n"
                "r1 ssh-rsa AAAA2\n"
                "[r2]:2222 ssh-ed25519 AAAA3\n"
                "incomplete ssh-ed25519\n"));
  EXPECT_EQ(hosts.check("r1", 22, "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("192.0.2.1", 22, "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("r1", 22, "AAAA2"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("r1", 22, "AAAA3"), Verdict::kChanged);
  EXPECT_EQ(hosts.check("192.0.2.1", 22, "AAAA2"), Verdict::kChanged);
  EXPECT_EQ(hosts.check("r2", 2222, "AAAA3"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("r2", 22, "AAAA3"), Verdict::kUnknown);
  EXPECT_EQ(hosts.check("r3", 22, "AAAA1"), Verdict::kUnknown);
  EXPECT_EQ(hosts.check("incomplete", 22, ""), Verdict::kUnknown);
  EXPECT_EQ(hosts.key_types("r1", 22), (std::vector<std::string>{"ssh-ed25519", "ssh-rsa"}));
  EXPECT_TRUE(hosts.key_types("r3", 22).empty());
}

TEST(KnownHosts, ThePlainNameVouchesForAnotherPort) {
  const KnownHosts hosts(
      file_with("r1 ssh-ed25519 AAAA1\n[r2]:830 ssh-ed25519 AAAA2\nr2 ssh-ed25519 AAAA1\n"));
  EXPECT_EQ(hosts.check("r1", 830, "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("r1", 830, "AAAA2"), Verdict::kUnknown);  // another server on the same machine
  EXPECT_EQ(hosts.check("r2", 830, "AAAA1"), Verdict::kChanged);
}

TEST(KnownHosts, PatternsAndNegation) {
  const KnownHosts hosts(
      file_with("*.example.net,!bad.example.net,10.0.?.1 ssh-ed25519 AAAA1\n[*]:2200 ssh-rsa AAAA2\n"));
  EXPECT_EQ(hosts.check("r1.example.net", 22, "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("bad.example.net", 22, "AAAA1"), Verdict::kUnknown);
  EXPECT_EQ(hosts.check("10.0.7.1", 22, "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("10.0.77.1", 22, "AAAA1"), Verdict::kUnknown);
  EXPECT_EQ(hosts.check("127.0.1.3", 2200, "AAAA2"), Verdict::kTrusted);
}

// The first is the example of OpenSSH's own documentation.
TEST(KnownHosts, HashedNames) {
  const KnownHosts hosts(
      file_with("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 AAAA1\n"
                "|1|not base64|=== ssh-ed25519 AAAA2\n|1|x ssh-ed25519 AAAA3\n"));
  EXPECT_EQ(hosts.check("192.168.1.61", 22, "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(hosts.check("192.168.1.61", 22, "AAAA2"), Verdict::kChanged);
  EXPECT_EQ(hosts.check("192.168.1.62", 22, "AAAA1"), Verdict::kUnknown);
}

TEST(KnownHosts, RevokedKeysAreNeverTrusted) {
  const KnownHosts hosts(
      file_with("r1 ssh-ed25519 AAAA1\n@revoked * ssh-ed25519 AAAA1\n@cert-authority * ssh-ed25519 AAAA9\n"));
  EXPECT_EQ(hosts.check("r1", 22, "AAAA1"), Verdict::kRevoked);
  EXPECT_EQ(hosts.check("r2", 2222, "AAAA1"), Verdict::kRevoked);
  EXPECT_EQ(hosts.check("r2", 22, "AAAA9"), Verdict::kUnknown);
}

TEST(KnownHosts, NewKeysAreAppendedToAFileThatOnlyTheUserReads) {
  const std::string path = ::testing::TempDir() + "known_hosts_new";
  ::unlink(path.c_str());
  KnownHosts hosts(path);
  hosts.add("r1", 22, "ssh-ed25519", "AAAA1");
  hosts.add("r2", 2222, "ssh-ed25519", "AAAA2");
  EXPECT_EQ(hosts.check("r2", 2222, "AAAA2"), Verdict::kTrusted);
  EXPECT_EQ(content_of(path), "r1 ssh-ed25519 AAAA1\n[r2]:2222 ssh-ed25519 AAAA2\n");
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(KnownHosts(path).check("r1", 22, "AAAA1"), Verdict::kTrusted);
}

TEST(KnownHosts, AnOpenLastLineIsClosedFirst) {
  const std::string path = file_with("r1 ssh-ed25519 AAAA1");
  KnownHosts(path).add("r2", 22, "ssh-ed25519", "AAAA2");
  EXPECT_EQ(content_of(path), "r1 ssh-ed25519 AAAA1\nr2 ssh-ed25519 AAAA2\n");
}

TEST(KnownHosts, WhatAnotherProcessAddedMeanwhileCounts) {
  const std::string path = file_with("r0 ssh-ed25519 AAAA0\n");
  KnownHosts mine(path);
  KnownHosts theirs(path);
  EXPECT_EQ(theirs.add("r1", 22, "ssh-ed25519", "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(mine.add("r1", 22, "ssh-ed25519", "AAAA2"), Verdict::kChanged);
  EXPECT_EQ(mine.add("r1", 22, "ssh-ed25519", "AAAA1"), Verdict::kTrusted);
  EXPECT_EQ(mine.add("r0", 22, "ssh-ed25519", "AAAA9"), Verdict::kChanged);
  EXPECT_EQ(content_of(path), "r0 ssh-ed25519 AAAA0\nr1 ssh-ed25519 AAAA1\n");
  EXPECT_EQ(mine.check("r0", 22, "AAAA0"), Verdict::kTrusted);
}

TEST(KnownHosts, ManyThreadsAdd) {
  const std::string path = file_with("");
  KnownHosts hosts(path);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&hosts, i] {
      for (int j = 0; j < 50; ++j) {
        hosts.add("r" + std::to_string(i), 1000 + j, "ssh-ed25519", "AAAA");
        hosts.check("r" + std::to_string(7 - i), 1000 + j, "AAAA");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const KnownHosts again(path);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(again.check("r" + std::to_string(i), 1049, "AAAA"), Verdict::kTrusted);
}

TEST(KnownHosts, AMissingFileKnowsNobodyAndAFolderIsAnError) {
  EXPECT_EQ(KnownHosts("/no/such/file").check("r1", 22, "AAAA"), Verdict::kUnknown);
  EXPECT_THROW(KnownHosts("/tmp"), ConfigurationError);
  KnownHosts nowhere("/no/such/file");
  EXPECT_THROW(nowhere.add("r1", 22, "ssh-ed25519", "AAAA"), ConfigurationError);
}

}  // namespace headrace::collect

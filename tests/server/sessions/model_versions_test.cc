#include "server/sessions/model_versions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/error.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

std::shared_ptr<const Snapshot<double>> SnapshotOf(int64_t version, double offset = 0) {
  Scalings scalings;
  if (offset != 0) scalings.input = {Vector<double>::Constant(2, offset), Vector<double>::Ones(2)};
  return std::make_shared<const Snapshot<double>>(
      Snapshot<double>{Parameters<double>(SmallSpec().layout()), scalings, version});
}

TEST(ModelVersionsTest, KeepsTheNewestEight) {
  ModelVersions<double> versions(SnapshotOf(0), /*kept_count=*/8);
  for (int64_t version = 1; version <= 8; ++version) versions.Publish(SnapshotOf(version));
  EXPECT_EQ(versions.Latest()->model_version, 8);
  EXPECT_EQ(versions.Get(std::nullopt).value()->model_version, 8);
  for (int64_t version = 1; version <= 8; ++version) EXPECT_EQ(versions.Get(version).value()->model_version, version);
  EXPECT_EQ(versions.Get(0).status().code(), absl::StatusCode::kNotFound);
}

TEST(ModelVersionsTest, AnUnknownVersionNamesThoseKept) {
  ModelVersions<double> versions(SnapshotOf(0), /*kept_count=*/8);
  for (int64_t version = 1; version <= 10; ++version) versions.Publish(SnapshotOf(version));
  const absl::Status status = versions.Get(11).status();
  EXPECT_EQ(ReasonOf(status), "MODEL_VERSION_NOT_FOUND");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("the versions kept are 3, 4, 5, 6, 7, 8, 9, 10"));
}

TEST(ModelVersionsTest, NewScalingsTakeThePlaceOfTheLatestVersionOnly) {
  ModelVersions<double> versions(SnapshotOf(0, 5), /*kept_count=*/8);
  versions.Publish(SnapshotOf(1, 5));
  versions.Publish(SnapshotOf(1, 7));
  EXPECT_EQ(versions.Latest()->scalings.input.offset(0), 7);
  EXPECT_EQ(versions.Get(0).value()->scalings.input.offset(0), 5);
}

TEST(ModelVersionsTest, ASnapshotLivesAsLongAsItsReader) {
  ModelVersions<double> versions(SnapshotOf(0), /*kept_count=*/8);
  const auto pinned = versions.Latest();
  for (int64_t version = 1; version <= 20; ++version) versions.Publish(SnapshotOf(version));
  EXPECT_EQ(pinned->model_version, 0);
  EXPECT_EQ(pinned.use_count(), 1);
}

}  // namespace
}  // namespace backprop::server

// Copyright 2026 The surface_classifier authors
// SPDX-License-Identifier: Apache-2.0
//
// An I2C bus with INA219 or INA226 sensors that measure what their datasheets measure in their example.
#pragma once

#include <map>
#include <vector>

#include "Arduino.h"

// Registers and equations of the datasheets: current = shunt voltage x calibration / 4096 (INA219, SBOS448) or / 2048
// (INA226, SBOS547). Both examples drop 20 mV over 2 mOhm, 10 A: 2000 steps of 10 uV, or 8000 of 2.5 uV.
struct Sensor {
  std::map<uint8_t, uint16_t> registers;
  uint8_t pointer = 0;
  int16_t shunt = 0;
  uint16_t value() {
    if (pointer == 0x04) return (uint16_t)(int32_t(shunt) * registers[0x05] / (SENSOR == 219 ? 4096 : 2048));
    return registers[pointer];
  }
};

struct Bus {
  std::map<uint8_t, Sensor> sensors;
  std::vector<uint8_t> written;
  std::vector<uint8_t> answer;
  uint8_t address = 0;

  void begin() {}
  void setClock(uint32_t) {}
  void beginTransmission(uint8_t to) { address = to, written.clear(); }
  void write(uint8_t byte) { written.push_back(byte); }
  void endTransmission() {
    if (!sensors.count(address)) return;
    Sensor& sensor = sensors[address];
    sensor.pointer = written.at(0);
    if (written.size() == 3) sensor.registers[written[0]] = written[1] << 8 | written[2];
  }
  uint8_t requestFrom(uint8_t from, uint8_t) {
    answer.clear();
    if (!sensors.count(from)) return 0;
    const uint16_t value = sensors[from].value();
    answer = {uint8_t(value >> 8), uint8_t(value & 0xFF)};
    return 2;
  }
  uint8_t read() {
    const uint8_t byte = answer.at(0);
    answer.erase(answer.begin());
    return byte;
  }
};
inline Bus Wire;

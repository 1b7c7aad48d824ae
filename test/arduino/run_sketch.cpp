// Copyright 2026 The surface_classifier authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a sketch on a PC: SKETCH is its file, LOOPS how often it loops; the argument says how many sensors are there.
#include <cstdlib>

#include "Arduino.h"
#include "Wire.h"
#include SKETCH

int main(int, char** arguments) {
  for (uint8_t number = 0; number < atoi(arguments[1]); number++) {
    Sensor& sensor = Wire.sensors[0x40 + number];
    // The second one measures a quarter of the first, the other way round.
    sensor.shunt = (SENSOR == 219 ? 2000 : 8000) / (number ? -4 : 1);
  }
  setup();
  for (long number = 0; number < LOOPS; number++) loop();
  for (auto& [address, sensor] : Wire.sensors)
    fprintf(stderr, "%02X %04X %04X\n", address, sensor.registers[0x00], sensor.registers[0x05]);
}

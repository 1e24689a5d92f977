import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, expect, it, jest } from "@jest/globals";
import { linger } from "../../../../proto/http2/linger";

let socket: EventEmitter & { destroy: jest.Mock<() => void> };

beforeEach(() => {
  jest.useFakeTimers();
  socket = Object.assign(new EventEmitter(), { destroy: jest.fn(() => {}) });
});

afterEach(() => {
  jest.useRealTimers();
});

it("one that takes what was said has a second to close then", () => {
  linger(socket as unknown as Socket, 10_000);
  jest.advanceTimersByTime(3000);
  socket.emit("finish");
  jest.advanceTimersByTime(999);
  expect(socket.destroy).not.toHaveBeenCalled();
  jest.advanceTimersByTime(1);
  expect(socket.destroy).toHaveBeenCalledTimes(1);
});

it("one that takes nothing has as long as is given to it", () => {
  linger(socket as unknown as Socket, 10_000);
  jest.advanceTimersByTime(9999);
  expect(socket.destroy).not.toHaveBeenCalled();
  jest.advanceTimersByTime(1);
  expect(socket.destroy).toHaveBeenCalledTimes(1);
});

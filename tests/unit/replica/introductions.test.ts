import { expect, test } from "@jest/globals";
import type { Introduction } from "@quorate/services/replica";
import { Introductions } from "../../../services/replica/introductions";

function of(memberId: string): Introduction {
  const addresses = { clientAddress: `${memberId}:1`, peerAddress: `${memberId}:2` };
  return { memberId, storeId: `store-${memberId}`, addresses, epoch: 5 };
}

test("strangers push out strangers, however many introduce themselves, and never a member", () => {
  const introductions = new Introductions();
  const isMember = (memberId: string): boolean => memberId === "n1";
  introductions.note(of("n1"), isMember);
  for (let stranger = 0; stranger < 5000; stranger += 1) introductions.note(of(`s${stranger}`), isMember);
  expect(introductions.addressesOf("n1")).not.toBeNull();
  expect(introductions.isNewcomer("s0", 4)).toBe(false);
  expect(introductions.isNewcomer("s3900", 4)).toBe(false);
  expect(introductions.isNewcomer("s4999", 4)).toBe(true);
});

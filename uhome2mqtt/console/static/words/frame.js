// What is around the pages, and what is wrong.

export const frame = {
  nav: { label: "Pages", house: "House", bridge: "Bridge" },

  chips: {
    label: "State of the bridge",
    cloud: {
      label: "Cloud",
      online: ["good", "online"],
      degraded: ["fair", "some requests fail"],
      offline: ["bad", "out of reach"],
      unauthorized: ["bad", "login refused"],
    },
    broker: { label: "Broker", connected: ["good", "connected"], away: ["bad", "away"] },
    push: {
      label: "Push",
      disabled: ["none", "not set up"],
      registration_failed: ["bad", "not registered"],
      unverified: ["none", "not proven yet"],
      healthy: ["good", "works"],
      degraded: ["fair", "partly works"],
      unhealthy: ["bad", "does not arrive"],
    },
    account: { label: "Login", good: ["good", "good"], needed: ["bad", "needed"] },
    unknown: ["none", "unknown"],
    was: (word) => `${word} (old)`,
  },

  banner: {
    connect: "Log in to U home",
    opening: "Waiting for the bridge",
    lost: (time) => `No connection to the bridge. What you see is from ${time}`,
    lostMend:
      "The page tries again by itself. Until then nothing can be commanded from here, and the states shown may no longer be true.",
    lostWhy: (why) =>
      `The bridge answers: ${why}. The page tries again by itself. Until then nothing can be commanded from here, and the states shown may no longer be true.`,
    neverWhy: (why) => `The bridge answers: ${why}. The page tries again by itself.`,
    never: "The bridge does not answer. The page tries again by itself.",
    login: "Somebody has to log in",
    loginMend: (why) => `${why[0].toUpperCase()}${why.slice(1)}. Until then nothing is seen and nothing can be commanded.`,
    cloudOffline: "The U home cloud is out of reach",
    cloudOfflineMend:
      "The bridge goes on trying by itself. States become unknown as they go out of date; commands may fail. Is this machine online?",
    cloudDegraded: "Some requests to the U home cloud fail",
    cloudDegradedMend: "The bridge goes on by itself. Changes and outcomes may come late.",
    cloudUnauthorized: "The U home cloud refuses the login",
    cloudUnauthorizedMend: "Log in again; the bridge then goes on by itself.",
    broker: "The MQTT broker is away",
    brokerMend: (url) =>
      `The bridge goes on trying ${url}. This page works without it, but Home Assistant and all else on MQTT see nothing. Is the broker running, and do address and password hold?`,
    standingBy: "Standing by",
    standingByMend: (why) => `${why}. This bridge commands nothing as long as the other one works, and takes over when it stops.`,
    waiting: "Not ready yet",
    waitingMend: (reasons) => `${reasons.join("; ")}.`,
    pushUnhealthy: "Push notifications do not arrive",
    pushUnhealthyMend: (interval) =>
      `Changes at the door are seen when the bridge asks, every ${interval}. Is the public address still the right one, and does it reach the bridge?`,
    pushFailed: "The cloud does not take the registration for push notifications",
    pushFailedMend: (why) => `${why ? `${why}. ` : ""}The bridge tries again by itself, and asks for changes meanwhile.`,
    otherBridge: "Another bridge is on the same base topic",
    otherBridgeMend: "Two bridges would command the same locks. Stop one of them, or give one another base topic.",
    held: "The cloud wants fewer requests",
    heldMend: (time) => `Until ${time} it is asked for nothing but commands.`,
    toBridge: "See the bridge",
  },

  errors: {
    late: (seconds) => `no answer within ${seconds} s; whether it was carried out is not known`,
    unreachable: "the bridge could not be reached; whether it was carried out is not known",
    session: "the session has ended",
    status: (status) => `the bridge answered with HTTP ${status}`,
  },
};

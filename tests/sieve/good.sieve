redirect "eva@house.test";

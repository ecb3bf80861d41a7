import java.io.*;

public class Main {
    public static void main(String[] args) throws Exception {
        Process filter = new ProcessBuilder("as", "filter", "tr", "a-z", "A-Z").start();
        byte[] chunk = "some words to make large\n".repeat(400).getBytes();
        try (OutputStream in = filter.getOutputStream()) {
            for (int i = 0; i < 100; i++) {
                in.write(chunk);
            }
        }
        System.out.println(filter.getInputStream().readAllBytes().length);
        System.out.println(filter.waitFor());
    }
}

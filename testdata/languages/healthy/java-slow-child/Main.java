public class Main {
    public static void main(String[] args) throws Exception {
        Process p = new ProcessBuilder("as", "build", "sleep", "250").start();
        System.out.println(new String(p.getInputStream().readAllBytes()));
        System.out.println(p.waitFor());
    }
}
